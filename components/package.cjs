// The package's entry: package.json. Its types are in package.ts.
require("tsx/cjs");
module.exports = require("./package.ts");
