"""The commands of ``codelm-train``: a module each, whose ``add(commands)`` adds its parser and what runs it."""
