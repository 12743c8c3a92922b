import { kwokLoadBalancer } from "./spec";

/** A Stage gives objects of one kind the status that a controller or a cloud would give them. Pulumi waits for it. */
function stage(name: string, [apiGroup, kind]: [string, string], selected: object[], statusTemplate: string) {
  return {
    apiVersion: "kwok.x-k8s.io/v1alpha1",
    kind: "Stage",
    metadata: { name },
    spec: {
      resourceRef: { apiGroup, kind },
      selector: { matchExpressions: selected },
      next: { statusTemplate },
    },
  };
}

const balanced = `loadBalancer:\n  ingress:\n  - ip: ${kwokLoadBalancer}\n`;
const withoutAddress = { key: ".status.loadBalancer.ingress", operator: "DoesNotExist" };

/** What kwok does besides running nodes and pods. https://kwok.sigs.k8s.io/docs/user/stages-configuration/ */
export const stages = [
  stage(
    "service-load-balancer",
    ["v1", "Service"],
    [{ key: ".spec.type", operator: "In", values: ["LoadBalancer"] }, withoutAddress],
    balanced,
  ),
  stage("ingress", ["networking.k8s.io/v1", "Ingress"], [withoutAddress], balanced),
  stage(
    "volume-claim",
    ["v1", "PersistentVolumeClaim"],
    [{ key: ".status.phase", operator: "NotIn", values: ["Bound"] }],
    "phase: Bound\n",
  ),
];

/** Nobody makes volumes. Without this controller a claim that a stage bound stays bound. */
export const withoutVolumeBinder = {
  name: "kube-controller-manager",
  extraArgs: [{ key: "controllers", value: "*,-persistentvolume-binder-controller" }],
};

/**
 * A kwok that starts manages a node only after the lease of the one before has run out: kwok's node_lease_controller.go.
 * kwokctl sets 200 s. For so long the pods of a cluster that was started again stayed as they were.
 */
export const shortNodeLease = {
  name: "kwok-controller",
  extraArgs: [{ key: "node-lease-duration-seconds", value: "20", override: true }],
};

/** Without these plugins the scheduler does not look for a pod's volumes. */
export const schedulerConfiguration = {
  apiVersion: "kubescheduler.config.k8s.io/v1",
  kind: "KubeSchedulerConfiguration",
  profiles: [
    {
      schedulerName: "default-scheduler",
      plugins: {
        multiPoint: {
          disabled: ["VolumeBinding", "VolumeZone", "VolumeRestrictions", "NodeVolumeLimits"].map((name) => ({ name })),
        },
      },
    },
  ],
};
