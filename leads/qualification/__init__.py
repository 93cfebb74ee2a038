"""Qualification by an SDR: frameworks of questions, assessments, the queue and the inbox."""
