/** The generations of certificates. */
export interface Generations {
  /**
   * Generations of the trust anchor, as whole numbers. All of them are trusted, and the first one signs the issuers.
   * Default: `[1]`. Example in a rotation: `[2, 1]`
   */
  anchors?: number[];
  /** Generation of the issuers. A higher number makes new ones. Default: 1 */
  issuerGeneration?: number;
}

/** Texts that change when pods must restart to use new certificates. */
export interface Restarts {
  /** Of the control plane. Example: `anchors-1-2.signer-2.issuers-1` */
  controlPlane: string;
  /** Of all other meshed pods, which need fewer restarts. Example: `anchors-1-2.signer-1.issuers-1` */
  dataPlane: string;
}

/**
 * When pods must restart.
 *
 * @example restartsOf({ anchors: [2, 1] }).controlPlane // "anchors-1-2.signer-2.issuers-1"
 */
export function restartsOf({ anchors = [1], issuerGeneration = 1 }: Generations): Restarts {
  const all = [...anchors].sort((a, b) => a - b);
  const fingerprint = (signer?: number) => `anchors-${all.join("-")}.signer-${signer}.issuers-${issuerGeneration}`;
  return {
    controlPlane: fingerprint(anchors[0]),
    // Another signer alone restarts no pod: proxies that trust both anchors take issuers of either (docs/rotation.md).
    dataPlane: fingerprint(all[0]),
  };
}
