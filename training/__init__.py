"""How the models of data/checkpoints were trained, one file a model; `make
checkpoints` runs it. No chapter needs it."""
