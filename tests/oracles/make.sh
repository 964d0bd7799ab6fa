#!/bin/sh
# Makes the numbers that tests/oracles/ holds genobench against, in fixtures/: by PLINK 1.9 and
# PLINK 2 (Debian packages plink1.9 and plink2) and by scikit-allel, prdc, SDMetrics and statsmodels
# in a virtual environment that is thrown away. genobench depends on none of them.
#
#   tests/oracles/make.sh            # PYTHON: that of the project (default .venv/bin/python)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-"$here/../../.venv/bin/python"}
out=$here/fixtures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in plink1.9 plink2; do
    command -v "$tool" >/dev/null || {
        [ "$(id -u)" = 0 ] && sudo= || sudo=sudo
        $sudo apt-get install -y -q "$tool"
    }
done
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet -r "$here/tools.txt"

mkdir -p "$out"
"$python" "$here/cohort.py" "$out/cohort"
cd "$out"
p1() { plink1.9 --silent --bfile cohort --keep-allele-order --allow-no-sex "$@"; }
p2() { plink2 --silent --bfile cohort "$@"; }

p1 --r2 --ld-window 7 --ld-window-kb 1000000 --ld-window-r2 0 --out "$work/ld"
p1 --logistic beta --ci 0.95 --out "$work/association"
p1 --model trend-only --cell 0 --out "$work/trend"
p1 --fst --within cohort.within --out "$work/wc"
p2 --geno-counts --out "$work/counts"
p2 --freq counts --out "$work/counts"
p2 --hardy --out "$work/hardy"
p2 --glm allow-no-covars omit-ref cols=+a1count,+orbeta --out "$work/binary"
p2 --glm allow-no-covars omit-ref --pheno cohort.pheno --out "$work/quantitative"
# relatives first: families have ids that begin with F
sort cohort.fam | head -n 64 | cut -f 1,2 >"$work/some"
p2 --keep "$work/some" --make-king-table cols=id,kinship --out "$work/king"
p2 --pca 5 --out "$work/pca"
p1 --recode A --out "$work/cohort"

# the columns that tests read, tabs between
columns() { sed 's/^ *//; s/ *$//; s/  */\t/g' "$work/$1" | cut -f "$2" >"$3"; }
columns ld.ld 3,6,7 plink19.r2
columns association.assoc.logistic 2,4,7,8 plink19.logistic
columns trend.model 2,8 plink19.trend
columns wc.fst 2,5 plink19.fst
sed -n 's/^Weighted Fst estimate: //p' "$work/wc.log" >plink19.fst.weighted
columns counts.gcount 2,5,6,7 plink2.gcount
columns counts.acount 2,4,5,6 plink2.acount
columns hardy.hardy 2,10 plink2.hardy
columns king.kin0 1,2,3 plink2.king
columns pca.eigenvec 2-5 plink2.eigenvec
cp "$work"/binary.*.glm.logistic* plink2.logistic
cp "$work"/quantitative.height.glm.linear plink2.linear
"$work/venv/bin/python" -W ignore "$here/tools.py" "$work/cohort.raw" >tools.json
ls -l
