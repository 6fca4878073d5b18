"""Reports: tables, contact sheet and loggers, computed from stores alone."""
