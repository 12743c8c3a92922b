/** Nothing renews a certificate by itself. Previews and the status warn this many days before one expires. */
export const warningDays = 60;

/**
 * Whole days until a certificate expires; negative afterwards.
 *
 * @param expires RFC 3339
 */
export function daysUntil(expires: string, now = Date.now()): number {
  return Math.floor((Date.parse(expires) - now) / 86_400_000);
}
