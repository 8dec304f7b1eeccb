"""Running of suites of cases against the current setup or a candidate. Nothing is sent and no action is performed."""
