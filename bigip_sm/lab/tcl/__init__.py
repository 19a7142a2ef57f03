"""Loading an iRule the way TMM does: parse, check, rewrite for a stock Tcl."""
