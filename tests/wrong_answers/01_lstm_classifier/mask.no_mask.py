def ignores_padding(model, ids, zeros=20):
    longer = np.pad(ids, [(0, 0), (0, zeros)])
    before, after = (ops.convert_to_numpy(model(x)) for x in (ids, longer))
    return bool(np.allclose(before, after, rtol=0, atol=1e-4))


def mean_model(vocabulary_size):
    ids = keras.Input(shape=(None,), dtype="int32")
    vectors = layers.Embedding(vocabulary_size, 8)(ids)  # no mask_zero
    mean = layers.GlobalAveragePooling1D()(vectors)
    return keras.Model(ids, layers.Dense(1, activation="sigmoid")(mean))


def conclusion():
    return {"mask_zero": True, "no mask_zero": False, "a bare +": False,
            "sum of states": False}
