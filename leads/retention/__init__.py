"""How long what is kept: rules that an administrator sets, done at night."""
