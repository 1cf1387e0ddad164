"""Which rank is enough?"""
