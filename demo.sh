# What `make demo` runs: a first look at ckptread, on the checkpoints in fixtures/.
set -eu
BIN=${BIN:-.venv/bin}
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT

say() {
  printf '\n# %s\n' "$*"
}

run() {
  printf '$ ckptread %s\n' "$*"
  "$BIN/ckptread" "$@" || test $? -eq 1 # exit code 1: the checkpoints differ, as expected
}

say List the weights of a Keras model
run inspect fixtures/keras3/model.keras 'layers/**'
say Show one tensor in detail
run show fixtures/keras3/model.keras head/kernel
say Save it as a file that numpy loads
run extract fixtures/keras3/model.keras head/kernel -o "$OUT/kernel.npy"
"$BIN/python" -c "import numpy; print(numpy.load('$OUT/kernel.npy').ravel())"
say List the largest tensors of the latest TensorFlow checkpoint in a folder
run inspect fixtures/tf-object --sort size
say See what changed between two training steps
run diff fixtures/tf-object/ckpt-1 fixtures/tf-object/ckpt-2
say Compare a Keras archive with a weights file
run diff fixtures/keras3/model.keras fixtures/keras3/model.weights.h5 '**/kernel'
