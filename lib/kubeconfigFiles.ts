/** The kubeconfig fields that name files of one machine. Each has a twin with the content, `<field>-data`. */
export const fileFields = ["certificate-authority", "client-certificate", "client-key"];
