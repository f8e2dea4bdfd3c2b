"""The command line: one small module per verb, each thin over a function that a script can call.

A verb NAME is the function NAME in the module xengen.cli.NAME; `app.VERBS` lists them, and imports one when it is used.
"""
