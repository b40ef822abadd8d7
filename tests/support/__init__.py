"""Predictors, pages, notebooks and programs that several tests share."""
