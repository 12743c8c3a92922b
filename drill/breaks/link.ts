import { UserError } from "../../lib/run";
import { extension, found } from "../../verify/api";
import type { Drill, Place } from "../drill";
import { managersPatch, patchRaw, readRaw, type ObjectPath, type RawObject } from "./objects";

interface DeletedLink {
  link: RawObject;
}

const pathOf = ({ target }: Place): ObjectPath => ({
  ...{ group: "multicluster.linkerd.io", version: "v1alpha3", plural: "links" },
  ...{ namespace: extension, name: target.name },
});

/** Set by the API server for each new object. */
const ofServer = ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"];

export const link: Drill<DeletedLink> = {
  id: "link",
  breaks: ({ source, target }) => `the Link ${target.name} in ${source.name} is deleted`,
  operator: ({ stack }) =>
    `npm start -- ${stack.name} --refresh makes the Link again. Mirrors that exist keep their last addresses meanwhile`,
  changes: "source",
  async prepare(place) {
    const object = await readRaw(place.source, pathOf(place));
    if (object) return { link: object };
    const { source, target, stack } = place;
    throw new UserError(`${source.name} has no Link ${target.name}. Next: npm start -- ${stack.name} --refresh`);
  },
  async break(place) {
    await found(place.source.custom.deleteNamespacedCustomObject(pathOf(place)));
  },
  async restore(place, { link: saved }) {
    const path = pathOf(place);
    if ((await readRaw(place.source, path)) === undefined) {
      const metadata = Object.fromEntries(
        Object.entries(saved.metadata).filter(([field]) => !ofServer.includes(field)),
      );
      // The link's controller writes the status.
      const { apiVersion, kind, spec } = saved;
      await place.source.custom.createNamespacedCustomObject({ ...path, body: { apiVersion, kind, metadata, spec } });
    }
    const managers = (saved.metadata.managedFields ?? []).filter(({ subresource }) => subresource === undefined);
    await patchRaw(place.source, path, managersPatch(managers));
  },
};
