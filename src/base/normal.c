/* Φ⁻¹ by algorithm AS 241, routine PPND16 (Wichura, Applied Statistics 37, 1988): three rational approximations of degree 7,
 * one for the middle in (½)² - (p - ½)², two for the tails in √(-log p). */
#include "base/normal.h"

#include <math.h>

static double polynomial(const double c[8], double x)
{
    double sum = c[7];
    for (int i = 6; i >= 0; i--)
        sum = sum * x + c[i];
    return sum;
}

static const double middle_top[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                     1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                     3.3430575583588128105e+4, 2.5090809287301226727e+3};
static const double middle_bottom[8] = {1.0,
                                        4.2313330701600911252e+1,
                                        6.8718700749205790830e+2,
                                        5.3941960214247511077e+3,
                                        2.1213794301586595867e+4,
                                        3.9307895800092710610e+4,
                                        2.8729085735721942674e+4,
                                        5.2264952788528545610e+3};
static const double near_top[8] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                   3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                   2.27238449892691845833e-2, 7.74545014278341407640e-4};
static const double near_bottom[8] = {1.0,
                                      2.05319162663775882187e0,
                                      1.67638483018380384940e0,
                                      6.89767334985100004550e-1,
                                      1.48103976427480074590e-1,
                                      1.51986665636164571966e-2,
                                      5.47593808499534494600e-4,
                                      1.05075007164441684324e-9};
static const double far_top[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                  2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                  2.71155556874348757815e-5, 2.01033439929228813265e-7};
static const double far_bottom[8] = {1.0,
                                     5.99832206555887937690e-1,
                                     1.36929880922735805310e-1,
                                     1.48753612908506148525e-2,
                                     7.86869131145613259100e-4,
                                     1.84631831751005468180e-5,
                                     1.42151175831644588870e-7,
                                     2.04426310338993978564e-15};

double weft_normal_quantile(double p)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p == 0 || p == 1)
        return p == 0 ? -INFINITY : INFINITY;
    double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * polynomial(middle_top, r) / polynomial(middle_bottom, r);
    }
    double r = sqrt(-log(q < 0 ? p : 1 - p));
    double z = r <= 5 ? polynomial(near_top, r - 1.6) / polynomial(near_bottom, r - 1.6)
                      : polynomial(far_top, r - 5) / polynomial(far_bottom, r - 5);
    return q < 0 ? -z : z;
}

double weft_normal_log_below(double z)
{
    if (z > -30)
        return log(0.5 * erfc(-z * 0.70710678118654752440));
    /* Φ(z) = φ(z)/−z · (1 − 1/z² + 3/z⁴ − 15/z⁶ + 105/z⁸ …) (Abramowitz and Stegun 26.2.12) */
    double s = 1 / (z * z);
    return -0.5 * z * z - log(-z) - 0.91893853320467274178 + log1p(s * (-1 + s * (3 + s * (-15 + s * 105))));
}

double weft_normal_log_between(double a, double b)
{
    if (a > 0) { /* the same in the lower tail, where digits are not lost */
        double mirrored = -a;
        a = -b;
        b = mirrored;
    }
    if (b <= 0) {
        double log_b = weft_normal_log_below(b);
        return log_b + log(-expm1(weft_normal_log_below(a) - log_b));
    }
    return log1p(-exp(weft_normal_log_below(a)) - exp(weft_normal_log_below(-b)));
}
