"""What a command has to say, before and after it has a layout. Nothing here knows an operation.

- ``report``: `Report`, one per verb; `Table`, `Facts` and `Line`, what a report is made of; `Reportable`, for results
- ``document``: what the JSON documents of all verbs have in common
- ``cells``: sizes, shapes, numbers and names as text that is safe to print
- ``glyphs``: numbers as bars and sparklines
- ``text``: a report for people, at the width of a terminal; ``table`` lays out its tables, ``fit`` says which columns
  have room, ``widths`` measures text, ``colours`` paints it
- ``json``, ``csv``, ``markdown``, ``html``: one renderer each; ``frame`` makes a pandas DataFrame
"""
