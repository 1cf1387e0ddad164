"""What an adapter costs: shapes of real models, parameters, memory, multiply–adds; config.json and LoraConfig."""
