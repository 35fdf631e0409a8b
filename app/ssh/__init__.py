"""How we say it: the only room with a socket. It gets a frozen Target and a Command; it knows no Flask and no rows."""
