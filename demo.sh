# What `make demo` runs: a first look at ckptread, on the checkpoints in fixtures/.
set -eu
BIN=${BIN:-.venv/bin}
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT

run() {
  printf '\n$ ckptread %s\n' "$*"
  "$BIN/ckptread" "$@" || test $? -eq 1 # exit code 1: the checkpoints differ, as expected
}

run inspect fixtures/keras3/model.keras 'layers/**'
run show fixtures/keras3/model.keras head/kernel
run extract fixtures/keras3/model.keras head/kernel -o "$OUT/kernel.npy"
"$BIN/python" -c "import numpy; print(numpy.load('$OUT/kernel.npy').ravel())"
run inspect fixtures/tf-object --sort size
run diff fixtures/tf-object/ckpt-1 fixtures/tf-object/ckpt-2
run diff fixtures/keras3/model.keras fixtures/keras3/model.weights.h5 '**/kernel'
