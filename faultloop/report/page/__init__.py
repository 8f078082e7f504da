"""One trace as one self-contained page: opens from disk, asks nobody for anything, and runs only what is in it.

`build` makes the data and the document; `page.css` and the scripts beside it draw it. The scripts, in this order, are
one program: `model.js` reads the data, `lanes.js` draws the swim lanes, `table.js` the events, `page.js` all else.
"""
