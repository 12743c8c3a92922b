import { getStack } from "@pulumi/pulumi";

// Loads the SDK, as every Pulumi program does, and registers nothing.
export const stack = getStack();
