import { found, type ClusterClient } from "../../verify/api";

/** An object as the API server sends it, without the conversions of a typed client. */
export interface RawObject {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown> & { name: string; namespace: string; managedFields?: ManagedFields[] };
  spec?: Record<string, unknown>;
  status?: unknown;
}

/** https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management */
export interface ManagedFields {
  manager?: string;
  subresource?: string;
}

/** One object of an API group. Example: `{ group: "apps", version: "v1", plural: "deployments", namespace, name }` */
export interface ObjectPath {
  group: string;
  version: string;
  plural: string;
  namespace: string;
  name: string;
}

export async function readRaw({ custom }: ClusterClient, path: ObjectPath): Promise<RawObject | undefined> {
  return (await found(custom.getNamespacedCustomObject(path))) as RawObject | undefined;
}

/** Applies a JSON patch. */
export async function patchRaw({ custom }: ClusterClient, path: ObjectPath, body: object[]): Promise<void> {
  await custom.patchNamespacedCustomObject({ ...path, body });
}

/**
 * Gives an object back its field managers. Otherwise the drill would own the fields that it restored, and a later update
 * of an `existing` cluster would be refused with a field conflict.
 */
export const managersPatch = (managedFields: readonly object[]): object[] => [
  { op: "replace", path: "/metadata/managedFields", value: managedFields },
];
