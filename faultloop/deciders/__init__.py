"""Who answers: one decider answers one run's questions. Pure and seeded; knows no loop, no task, no clock."""
