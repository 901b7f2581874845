/* The inverse of the standard normal distribution function, in double precision. */
#ifndef WEFT_TABULAR_NORMAL_H
#define WEFT_TABULAR_NORMAL_H

/* z with Φ(z) = p, to about 1e-15 relative. p = 0 gives -inf, 1 gives +inf; outside [0, 1] and NaN give NaN. */
double weft_normal_quantile(double p);

#endif
