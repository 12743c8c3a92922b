/**
 * @typedef {{ version?: string, link?: boolean, optional?: boolean, devOptional?: boolean }} Package
 * @typedef {{ packages?: Record<string, Package | undefined> }} Lock
 */

/**
 * Says why node_modules does not match package-lock.json; undefined when it does. Compares contents, because git does
 * not preserve file times. npm writes node_modules/.package-lock.json last, so an interrupted install counts as none.
 *
 * @param {Lock} wanted package-lock.json
 * @param {Lock | undefined} installed node_modules/.package-lock.json
 * @returns {string | undefined}
 */
export function whyInstall(wanted, installed) {
  if (!installed) return "node_modules is missing";
  for (const [path, entry] of Object.entries(wanted.packages ?? {})) {
    if (path === "" || !entry || entry.link) continue;
    const found = installed.packages?.[path];
    const skipped = !found && (entry.optional || entry.devOptional);
    if (!skipped && found?.version !== entry.version) {
      const name = path.replace(/^.*node_modules\//, "");
      return `package-lock.json asks for ${name} ${entry.version}, node_modules has ${found?.version ?? "none"}`;
    }
  }
  return undefined;
}
