"""FM_029: a hook fails between the effect of a job and its acknowledgement."""
