/* The standard normal distribution in double precision. */
#ifndef WEFT_BASE_NORMAL_H
#define WEFT_BASE_NORMAL_H

/* z with Φ(z) = p, to about 1e-15 relative. p = 0 gives -inf, 1 gives +inf; outside [0, 1] and NaN give NaN. */
double weft_normal_quantile(double p);

/* log Φ(z), also where Φ(z) is less than the smallest double. */
double weft_normal_log_below(double z);

/* log(Φ(b) − Φ(a)), a ≤ b, also where both lie far in one tail. */
double weft_normal_log_between(double a, double b);

#endif
