"""Every limit on what a file may demand, with its reason; docs/security.md lists them for users.

A file's sizes, counts and depths are claims until they are checked. Each limit is far above what real checkpoints
need and keeps a process under MEMORY_BYTES, a listing within seconds, and recursion off the interpreter's stack.
Sizes of blocks that only affect speed stay in the modules that use them.
"""

from __future__ import annotations

# Any file

MEMORY_BYTES = 512 << 20
"""What a process may use; the HDF5 worker is held to it by the system."""
MAX_ENTRIES = 200_000
"""Tensors, links, zip members or objects of a configuration: the largest checkpoints have some 20,000 tensors."""
MAX_KEY_BYTES = 64 << 10
"""The longest name of a tensor; HDF5's own names end there."""
MAX_RANK = 64
"""numpy's own limit on dimensions."""
ARRAY_BYTES = 1 << 63
"""numpy's own limit on an array, which counts a dimension of nothing as one."""
WIDEST_ITEM = 16
"""Bytes of the widest number, complex128, to which values may be widened."""
MAX_READ_BYTES = 1 << 40
"""The largest array that numpy is asked for; blocks are far smaller."""
FREE_BYTES = 4 << 30
"""The values of a file, or the deflated members of an archive, may take this much whatever the file's size."""
MAX_RATIO = 100
"""Beyond FREE_BYTES, the bytes of values for each byte of the file."""
INDEX_BYTES = 100 << 20
"""An index or zip directory: that of 200,000 tensors with long names takes 30 MiB."""
LISTING_BYTES = 128 << 20
"""The names and attributes of a file, in memory: a few stored bytes can repeat a long name again and again."""
ROWS_BYTES = 128 << 20
"""The rows of a tree, or of layers within layers: each level repeats the names of those above it."""
VALUES_BYTES = 128 << 20
"""Values that must be in memory at once: a dataset that the HDF5 library decodes, or strings of one width."""
DESCRIPTION_BYTES = 128 << 20
"""A saved_model.pb or .meta that is read for names: graphs with constants in them can be large."""
UNPLACED_BYTES = 256 << 20
"""What `verify` reads of tensors without a place in the file (fill values, and what a library decodes)."""
SMALL_FILE_BYTES = 1 << 20
"""A file of rules, or TensorFlow's list of checkpoints: a line for each of ten thousand takes less."""
PATH_LINE_BYTES = 64 << 10
"""A line of a list of checkpoints: a path takes at most 4,096 bytes, a signed address some 2,000."""
OWN_FILE_BYTES = 64 << 20
"""A mapping or a listing of digests, as ckptread writes them: 300 characters for each of 200,000 tensors."""

# Text and messages

JSON_BYTES = 32 << 20
"""A configuration or metadata: that of a model of 10,000 layers takes some 10 MiB."""
JSON_DEPTH = 200
"""Nested lists and objects; a configuration nests some ten for each model within a model."""
JSON_COST = 4_000_000
"""What the values may add up to, where 1 stands for some 70 bytes of memory: 300 MiB."""
TEXT_BYTES = 128 << 20
"""JSON as a string: one character beyond the first 65,536 of Unicode makes it four times as long."""
TOML_COST = 20_000_000
"""The squares of the dots of each line, in all: a key of so many parts takes a quarter of a second."""
LITERAL_DEPTH = 32
"""Nested tuples, lists and dicts in the header of a .npy file."""
SKIPPED_FIELDS = 1_500_000
"""Fields of a message that nothing is read from: they take time. A graph of 50,000 nodes has a million."""
MESSAGE_COST = 1_200_000
"""What a protocol buffer message may add up to, where 1 stands for some 100 bytes of memory: 120 MiB.

The object graph of 2,000 variables and their optimizer's takes 150,000."""

# Names, and what a model's configuration says of them

MAX_NAME_DEPTH = 64
"""Groups within groups, models within models, or branches of a tree: real names have up to 20 components."""
MAX_LAYER_DEPTH = 32
"""Layers within layers: real models have five."""
MAX_WRAPPED = 6
"""Layers in wrappers in wrappers: real models have four. Bidirectional holds one layer twice, so each doubles them."""
MAX_LIST_PARTS = 10_000
"""Parts of a list of names that Keras split into attributes of 64 KiB."""
MAX_FITS = 100_000
"""Comparisons of a file's stored names with its layers': a second. A model of a hundred equal blocks takes 20,000."""
MOST_COMPARED = 100_000
"""Comparisons of variables of one name: three hundred may share one."""

# TensorFlow

BLOCK_BYTES = 64 << 20
"""The largest block of a table taken into memory: TensorFlow's are 256 KiB, or one V1 tensor, which is streamed."""
SNAPPY_RATIO = 32
"""What a snappy block may claim to expand by: its copies reach 64 bytes for 3."""
EXPANDED_BYTES = 128 << 20
"""All snappy blocks of a table: an index of 200,000 tensors takes 30 MiB."""
ENTRY_COST = 100_000
"""What one index entry may add up to, as MESSAGE_COST: a variable in 10,000 slices takes less."""
ENTRIES_COST = 4_000_000
"""What all index entries may add up to: 20 for each of 200,000 tensors."""
MAX_SHARDS = 100_000
"""Shards of a checkpoint: the file names have five digits for the number."""
PAIRS_PER_SLICE = 64
"""Slices that one is compared with: a variable partitioned along every axis has fewer."""
MAX_DECODED_BYTES = 256 << 20
"""A slice of a V1 variable whose values are decoded, not read as they are stored."""
MAX_STRINGS = 2_000_000
"""Strings of one tensor, each of which takes some 50 bytes of overhead; vocabularies have 500,000."""
MAX_STRINGS_BYTES = 64 << 20
"""The bytes of one tensor of strings, which is read at once."""

# HDF5

MAX_CHUNK_BYTES = 64 << 20
"""Inflating a chunk takes twice its size; Keras and h5py write chunks of a MiB or less."""
MAX_CHUNKS = 500_000
"""Chunks of the open datasets of a file, some 250 bytes each: with the usual 64 KiB a chunk they make 30 GiB."""
SLAB_BYTES = 128 << 20
"""Chunks side by side that are decoded together, so that reading row by row decodes each of them twice at most."""
CACHED_CHUNK_BYTES = 2 * SLAB_BYTES
"""Decoded chunks that are kept: those of two tensors that are compared."""
MAX_GROUP_DEPTH = 1_000
"""Groups within groups."""
MAX_LINK_HOPS = 50
"""Soft links that lead to soft links: more than a file system follows."""
MAX_FILTERS = 32
"""Filters of a dataset: the library's own limit."""
MAX_REFERENCES = 100_000
"""References of a dataset that are checked."""
MAX_ATTRIBUTE_BYTES = 64 << 20
"""A single attribute."""
GROUP_TEXT_BYTES = 32 << 20
"""The attributes of a group: a model's configuration is one of them."""
MAX_SHOWN_ATTRIBUTES = 32
"""Attributes of a dataset that `show` prints: they are read for this."""
CLAIM_BYTES = 256 << 20
"""A dataset above this size must store what it claims:"""
CLAIM_RATIO = 1100
"""at least one byte for this many; deflate expands by 1,032 at most."""
VALUE_DEPTH = 8
"""Lists within lists, and records within records."""
MAX_ORPHANS = 50_000
"""Objects that no group lists any more, which `salvage` finds."""
MAX_NODE_SYMBOLS = 512
"""Entries in one node of a group; with the usual 'k' of 4 it holds 8."""

# Other formats

NPY_HEADER_BYTES = 64 << 10
"""numpy reads 10,000 characters by default; a dtype of a thousand fields takes 30,000."""
ELEMENT_BYTES = 64 << 20
"""The largest element of an array: a block holds at least one."""
SAFETENSORS_HEADER_BYTES = 100_000_000
"""The format's own limit."""
REORDERED_BYTES = 128 << 20
"""A deflated array in Fortran order: all of it is inflated for each half of its rows, and half of it is kept."""
MAX_SHARD_FILES = 500
"""Each stays open, and a process may have 1,024 files open; the largest published models have some 200."""
MAX_ASSET_FILES = 10_000
"""Files in the assets of a SavedModel or a Keras folder: a model has a vocabulary for each of a few layers."""
MAX_ASSETS = 500
"""Members of a .keras archive that are looked up for its layers."""

# Workers

MESSAGE_BYTES = 4 << 20
"""The largest message of a worker: a hostile one takes twenty times as much memory when it is parsed."""
RAW_BYTES = 64 << 20
"""The most raw bytes after one message."""
WORKER_SECONDS = 4.0
"""The deadline for a small file: the first output should come within ten seconds, after two questions."""
BYTES_PER_SECOND = 16 << 20
"""A slow disk: a larger file's deadline grows at this rate."""
LEAST_SECONDS = 1.5
"""The shortest deadline after n recent timeouts is this divided by n."""
RECENT_SECONDS = 60.0
"""How long a timeout shortens later deadlines, so that one command over many files that hang ends soon."""
IMPORT_SECONDS = 20.0
"""How long a worker's imports may take when they are repeated to find out why they failed."""
TENSORFLOW_SECONDS = 180.0
"""The deadline for the TensorFlow backend: its import takes three seconds, and ten from a cold disk."""
TENSORFLOW_MEMORY_BYTES = 32 << 30
"""Address space of the TensorFlow backend, of which it reserves much: only the parent is protected."""
TENSORFLOW_STRINGS_BYTES = 1 << 30
"""The strings of one tensor, from the TensorFlow backend."""

# Pickles

PICKLE_BYTES = 64 << 20
"""A pickle without the tensors' bytes: that of 200,000 tensors takes some 40 MiB."""
PICKLE_OPCODES = 7_000_000
"""Opcodes of a pickle: a tensor takes some 30, and a short text as many bytes twice."""
PICKLE_CONTAINERS = 2_500_000
"""Tuples in a pickle, with lists, dictionaries, names and calls counted by their memory: a tensor takes some 10."""
PICKLE_NUMBER_BYTES = 1024
"""An integer in a pickle: those of real checkpoints take 9 bytes."""
PICKLE_VISITS = 300_000
"""Values that are looked at for tensors; one that occurs at several places counts at each."""
PICKLE_DEPTH = 200
"""Dictionaries, lists and objects within each other."""
