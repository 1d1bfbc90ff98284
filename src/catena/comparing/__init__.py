"""Which rung does this data need?"""
