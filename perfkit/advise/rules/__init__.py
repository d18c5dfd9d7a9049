"""One rule per file, named as the rule: a module docstring for people and a function ``check(...)``.

``check`` asks for evidence by parameter name (attributes of `advise.evidence.Evidence`, or ``evidence``
itself). One without a default is required: where it could not be had the rule is skipped, never guessed. It
returns a Finding, or None when there is nothing to say.
"""
