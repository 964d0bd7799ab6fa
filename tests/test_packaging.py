"""The package as it is installed: what is listed, what is in the wheel."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAPPED = {"genobench.baselines": "baselines", "genobench.tasks": "tasks"}


def test_every_folder_is_listed() -> None:
    """`packages` names exactly the folders that hold an __init__.py."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {p.parent.relative_to(ROOT) for p in ROOT.glob("genobench/**/__init__.py")}
    assert {".".join(f.parts) for f in folders} | set(MAPPED) == set(listed)
    assert all((ROOT / folder / "__init__.py").exists() for folder in MAPPED.values())


def test_wheel_and_sdist(tmp_path: Path) -> None:
    """Both build; only genobench/ lies at the wheel's top level, with every module and card."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert list(tmp_path.glob("*.tar.gz"))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {n.split("/")[0] for n in names if ".dist-info/" not in n} == {"genobench"}
    sources = {p for f in ("genobench", "baselines", "tasks") for p in (ROOT / f).rglob("*")}
    for path in sources:
        if path.suffix in (".py", ".toml", ".json", ".j2", ".css", ".js", ".typed"):
            inside = path.relative_to(ROOT).as_posix()
            for module, folder in MAPPED.items():
                if inside.startswith(f"{folder}/"):
                    inside = inside.replace(folder, module.replace(".", "/"), 1)
            assert inside in names
