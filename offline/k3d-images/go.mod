module k3d-images

go 1.22
