"""Words that the agent and the servers share: numbers, months and weekdays in English."""
