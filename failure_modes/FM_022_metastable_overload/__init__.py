"""FM_022: an overload that stays when its cause is gone."""
