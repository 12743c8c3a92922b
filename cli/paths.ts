import * as path from "node:path";
import * as places from "../components/clusters/lifecycle/places";

/** The clone this file is in. */
export const root = path.join(__dirname, "..");

/** State of the default backend, its passphrase, kept event logs. Per clone, ignored by git. */
export const stateDirectory = path.join(root, ".state");

/** Tools, charts and what was compiled, shared by all clones. */
export const cacheDirectory = places.cacheDirectory();
