"""Checkpoints in object stores and behind web addresses, read by ranges and never as a whole.

- ``schemes``: the place that an address leads to: s3://, gs://, az://, https://, hf://, and what fsspec knows
- ``place``: the interfaces Place (a folder of objects) and RemoteObject (one of them), and what can go wrong
- ``folder``: a Storage over a place
- ``opened``: a Source over an object: pages that are kept, ranges that are fetched together
- ``pages``: which bytes to fetch for the ranges that somebody asks for
- ``bucket``: places in S3, Google Cloud Storage and Azure, through obstore
- ``web``: a folder behind an http address; redirects are followed once
- ``hub``: repositories of a model hub, as web addresses
- ``filesystems``: all other schemes, through fsspec
"""
