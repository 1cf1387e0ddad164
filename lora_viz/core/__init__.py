"""What everything counts with: experiments, sweeps, runs and tasks; linear algebra of BA from its factors; statistics
over seeds; random streams; the result cache.
"""
