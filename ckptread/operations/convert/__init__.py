"""Write a checkpoint in another format.

- ``convert``: the operation
- ``planning``: which tensors are written, under which names, and what cannot be
- ``files``: into how many files, and their index
- ``arranged``: values whose axes are moved
- ``wrapped``: values around others
- ``checked``: what was written is read back, and compared
- ``template``: values put into a copy of a file that Keras wrote
- ``results``: what became of each tensor
- ``report``: how that is shown
"""
