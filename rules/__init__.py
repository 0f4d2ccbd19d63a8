"""The rules: one file each. The file's name is the rule's, its docstring the rule's page, whose examples the tests run."""
