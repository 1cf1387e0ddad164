"""What a visitor takes home: PEFT folders, scripts that repeat a run, histories."""
