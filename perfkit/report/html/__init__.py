"""Parts of self-contained pages: a base template, styles, and charts in scripts of our own. Nothing is fetched, ever."""
