# What `make demo` runs: a first look at ckptread, on the checkpoints in fixtures/.
set -eu
BIN=${BIN:-.venv/bin}
export CKPTREAD_PAGER=cat
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT

say() {
  printf '\n# %s\n' "$*"
}

# Prints a command as it can be typed, and runs it.
run() {
  printf '$ ckptread'
  for word; do
    case $word in *'*'*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
  done
  echo
  "$BIN/ckptread" "$@" || test $? -eq 1 # exit code 1: the checkpoints differ, as expected
}

say List the layers of a Keras model
run inspect fixtures/keras3/model.keras --layers
say List its frozen weights
run inspect fixtures/keras3/model.keras --frozen
say Show one tensor in detail
run show fixtures/keras3/model.keras encoder/squeeze/kernel
say Save it as a file that numpy loads
run extract fixtures/keras3/model.keras encoder/squeeze/kernel -o "$OUT/kernel.npy"
"$BIN/python" -c "import numpy; print(numpy.load('$OUT/kernel.npy'))"
say See what changed between two training steps
run diff fixtures/tf-object/ckpt-1 fixtures/tf-object/ckpt-2
say Compare a Keras archive with a weights file
run diff fixtures/keras3/model.keras fixtures/keras3/model.weights.h5 '**/kernel'
say Check that a file is intact
run verify fixtures/keras3/model.keras

cat <<EOF

Next, your own: $BIN/ckptread CKPT
Examples:       $BIN/ckptread --help
EOF
