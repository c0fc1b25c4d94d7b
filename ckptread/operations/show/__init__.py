"""All about one tensor.

- ``show``: the verb: gathers it
- ``report``: how it is shown; ``values``: how values are; ``pictures``: the histogram and the heat map
- ``image``: a kernel as a picture in a file
"""
