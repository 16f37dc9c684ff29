"""codelm_train: from folders of Python to a checkpoint that the language server loads."""
