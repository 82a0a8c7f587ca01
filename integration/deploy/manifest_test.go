// Package deploy holds no code. Its test reads the manifest for Kubernetes as its server does, and
// knows each field.
package deploy

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestManifest(t *testing.T) {
	text, err := os.ReadFile("../../cmd/reauth/deploy/kubernetes.yaml")
	require.NoError(t, err)
	documents := regexp.MustCompile(`(?m)^---\n`).Split(string(text), -1)
	require.Len(t, documents, 2)
	var secret corev1.Secret
	require.NoError(t, yaml.UnmarshalStrict([]byte(documents[0]), &secret))
	assert.Equal(t, "Secret v1", secret.Kind+" "+secret.APIVersion)
	var deployment appsv1.Deployment
	require.NoError(t, yaml.UnmarshalStrict([]byte(documents[1]), &deployment))
	assert.Equal(t, "Deployment apps/v1", deployment.Kind+" "+deployment.APIVersion)

	pod := deployment.Spec.Template.Spec
	assert.Equal(t, deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels)
	require.Len(t, pod.InitContainers, 1)
	sidecar := pod.InitContainers[0]
	require.NotNil(t, sidecar.RestartPolicy)
	assert.Equal(t, corev1.ContainerRestartPolicyAlways, *sidecar.RestartPolicy, "without it the agent would never start")
	for _, env := range sidecar.Env {
		if env.ValueFrom == nil {
			continue
		}
		key := env.ValueFrom.SecretKeyRef
		assert.Equal(t, secret.Name, key.Name)
		assert.Contains(t, secret.StringData, key.Key)
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
		assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, c.Name)
	}
	assert.Greater(t, *pod.TerminationGracePeriodSeconds, int64(30), "requests may go on for 30 s, the default of --grace")
}
