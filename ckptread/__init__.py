"""Read TensorFlow, Keras and HDF5 checkpoints without rebuilding the model."""

__version__ = "0.1.0"
