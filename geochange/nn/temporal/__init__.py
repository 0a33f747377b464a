"""Networks that look at many dates: tensors in, a logit for each date and pixel out."""
