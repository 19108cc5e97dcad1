# files.mk - what make needs to know of this directory
# SPDX-License-Identifier: Apache-2.0
